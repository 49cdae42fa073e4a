"""presets: each is whole and right."""

from __future__ import annotations

from typing import get_args

from nst_batch.sidecar.conflicts import conflicts
from nst_batch.sidecar.presets import DEFAULT_PRESET, PRESETS
from nst_batch.sidecar.settings import Patch, Settings, resolve


def test_names():
    """The default is there, every preset has a name that a sidecar may write, and no other has numbers."""
    assert DEFAULT_PRESET in PRESETS
    allowed = {choice for kind in get_args(Patch.model_fields["preset"].annotation) for choice in get_args(kind)}
    assert set(PRESETS) == allowed


def test_a_preset_sets_keys_that_exist():
    """What a preset gives are keys of the settings; what only it sets is none of them."""
    for preset in PRESETS.values():
        assert set(preset.keys()) <= set(Settings.model_fields)
        assert not {"beta_1", "epsilon", "family", "loss_scale"} & set(preset.keys())


def test_presets_resolve():
    """Every preset there is gives whole, valid settings without a conflict."""
    for name in PRESETS:
        assert conflicts(resolve(Patch.model_validate({"preset": name}))) == []
