"""Tests of apiserver.devices."""
