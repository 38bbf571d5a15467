"""The check that says when the universe file is not the one in force.

What belongs here: that one check. What does not: the shape of the file (universe.py) and the fall-back
(warehouse/universe_versions.py).
"""

import dagster as dg

from crypto_assets.resources import UniverseFile


@dg.asset_check(
    asset=dg.AssetKey(["market", "ohlcv"]),
    name="universe_file_is_valid",
    description="The run worked with universe.yaml as it stands, not with the last version that was valid.",
)
def universe_file_is_valid(universe_file: dg.ResourceParam[UniverseFile]) -> dg.AssetCheckResult:
    """Fails, naming the key, while an invalid file is passed over."""
    in_force = universe_file.in_force()
    return dg.AssetCheckResult(
        passed=in_force.problem is None,
        severity=dg.AssetCheckSeverity.ERROR,
        description=in_force.problem or "The file is valid and in force.",
        metadata={"version": in_force.version[:12], "venues": len(in_force.universe.venues)},
    )
