//! A stand-in for Discord: its gateway and the part of its REST API that we use.
