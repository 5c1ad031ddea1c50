"""The defender: how an encoder is trained or wrapped. One defense a file."""
