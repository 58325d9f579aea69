-- Finding API keys by the beginning of their token. A key is shown by it, and people quote it.
CREATE INDEX api_keys_by_prefix ON api_keys (prefix text_pattern_ops);
