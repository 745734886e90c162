//! Tests of the room `chat/discord`, against the stand-in.
