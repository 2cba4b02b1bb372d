"""Tests of apiserver.networks."""
