"""The one place where an encoder is embedded, ranked, attacked and scored."""
