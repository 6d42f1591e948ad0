"""The service: takes callbacks in, sends results out."""
