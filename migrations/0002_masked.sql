-- What stands in place of secrets. In a log, each placeholder has its conversation's number: by the keyed digest of the
-- secret (its tag) the same secret gets the same number again.

CREATE TABLE masked (
    conversation_id TEXT   NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    -- Twenty bits of the digest: enough to tell the secrets of a conversation apart, too few to confirm a guess.
    tag             TEXT   NOT NULL,
    number          BIGINT NOT NULL CHECK (number > 0),
    -- What the secret was known by where it was seen first.
    name            TEXT   NOT NULL,
    PRIMARY KEY (conversation_id, tag)
);
CREATE UNIQUE INDEX masked_number ON masked (conversation_id, number);

-- The key of the digest, made at the first start, in hexadecimal. One row.
CREATE TABLE mask_key (
    id  BIGINT PRIMARY KEY CHECK (id = 1),
    key TEXT   NOT NULL
);
