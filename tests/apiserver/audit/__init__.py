"""Tests of apiserver.audit."""
