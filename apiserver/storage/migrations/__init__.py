"""The migrations, in order: append-only, never edited after a release."""
