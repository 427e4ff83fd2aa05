"""The witness: cosigns checkpoints of logs that only ever grow; `app` builds it."""
