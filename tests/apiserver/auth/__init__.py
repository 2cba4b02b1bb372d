"""Tests of apiserver.auth."""
