"""Tests of crypto_assets.exports."""
