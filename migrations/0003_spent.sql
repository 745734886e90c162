-- What each reply of a model took, by the person whom it was for: budgets of a day are reckoned from it. It stays when
-- a conversation goes.
CREATE TABLE spent (
    conversation_id TEXT   NOT NULL,
    seq             BIGINT NOT NULL,
    at_ms           BIGINT NOT NULL,
    person          TEXT   NOT NULL,
    tokens          BIGINT NOT NULL,
    -- Millionths of a US dollar.
    cost            BIGINT NOT NULL,
    took_ms         BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, seq)
);
CREATE INDEX spent_at ON spent (at_ms);
