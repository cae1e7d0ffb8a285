"""Tests that fast code remains fast, and correct."""
