from crypto_assets_tests.playing import playback, sandbox, sandbox_process

__all__ = ["playback", "sandbox", "sandbox_process"]
