"""Tests of apiserver.tokens."""
