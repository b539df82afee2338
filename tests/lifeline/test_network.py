"""What the network is written as: what is at stake, links, valves; a slip is a sentence."""

import msgspec
import pytest

from lifeline.catalog import Catalog, CatalogError, Lifeline, Source, parse_source
from lifeline.compiler import compile_catalog
from lifeline.model import Text
from lifeline.network import Asset, Exposure, Link, Valve, Zone

HOSPITAL = Text("第三医院", "Third Hospital")
GAS = Source(
    lifeline=Lifeline("gas"),
    zone=(Zone("gas/heping", basin="hun"), Zone("gas/tiexi")),
    asset=(
        Asset("gas/gate", "gas/heping", "gate-station", is_source=True),
        Asset("gas/well", "gas/heping", exposure=Exposure(population=900, ignition=0.4)),
        Asset("sewer/well", "gas/heping", "sewer-well", exposure=Exposure(volume_m3=40.0)),
    ),
    link=(
        Link(
            "gas/gate",
            "gas/well",
            length_m=80.0,
            valves=(Valve("V-1", 10.0), Valve("V-2", 70.0, is_closable=False)),
            is_feed=True,
            customers=300,
            hospitals=(HOSPITAL,),
        ),
        Link("gas/well", "sewer/well", kind="adjacency", length_m=6.0),
    ),
)


def test_what_is_at_stake_and_how_things_hang_together_is_found_as_written() -> None:
    city = Catalog(compile_catalog([GAS]))

    assert [asset.name for asset in city.assets()] == ["gas/gate", "gas/well", "sewer/well"]
    assert [asset.exposure for asset in city.assets()] == [a.exposure for a in GAS.asset]
    assert [asset.is_source for asset in city.assets()] == [True, False, False]
    assert city.links() == GAS.link
    assert [link.is_closable for link in city.links()] == [True, False]
    assert city.head.basins == {"gas/heping": "hun"}


def test_a_catalog_written_before_there_were_valves_and_exposures_is_read_as_before() -> None:
    tree = {
        "lifeline": {"name": "gas"},
        "zone": [{"name": "gas/heping"}],
        "asset": [{"name": "a", "zone": "gas/heping"}, {"name": "b", "zone": "gas/heping"}],
        "link": [{"a": "a", "b": "b", "length_m": 5}],
    }

    city = Catalog(compile_catalog([parse_source("gas.toml", tree)]))

    assert city.links() == (Link("a", "b", length_m=5.0),)
    assert [asset.exposure for asset in city.assets()] == [None, None]


@pytest.mark.parametrize(
    ("link", "sentence"),
    [
        (
            Link("gas/gate", "gas/well", length_m=8.0, valves=(Valve("V-9", 9.0),)),
            "valve V-9 stands 9 m along link gas/gate – gas/well, which is 8 m long",
        ),
        (Link("gas/gate", "gas/gate"), "link gas/gate – gas/gate leads from an asset to itself"),
        (
            Link("gas/gate", "sewer/well", kind="adjacency", customers=3),
            "link gas/gate – sewer/well is adjacency, which has no valves and serves nobody",
        ),
        (
            Link("gas/gate", "sewer/well", kind="conduit", is_feed=True),
            "link gas/gate – sewer/well is conduit, which feeds nothing",
        ),
        (Link("gas/gate", "gas/moon"), "link gas/gate – gas/moon names the unknown asset gas/moon"),
        (
            Link("gas/gate", "gas/well", length_m=1.0, valves=(Valve("V-1"),)),
            "valve V-1 is declared 2 times",
        ),
    ],
)
def test_a_link_that_cannot_be_is_said_in_a_sentence(link: Link, sentence: str) -> None:
    with pytest.raises(CatalogError) as caught:
        compile_catalog([msgspec.structs.replace(GAS, link=(*GAS.link, link))])

    assert [p for p in caught.value.problems if sentence in p] == list(caught.value.problems)


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (
            {"exposure": {"ignition": 1.5}},
            "asset a: exposure: Expected `float` <= 1.0 - at `$.ignition`",
        ),
        (
            {"exposure": {"population": -1}},
            "asset a: exposure: Expected `int` >= 0 - at `$.population`",
        ),
        ({"exposure": {"people": 4}}, "unknown field `people`"),
        ({"radius_m": -4}, "asset a: radius_m"),
        ({"is_source": "yes"}, "asset a: is_source"),
    ],
)
def test_an_asset_that_is_written_wrong_is_named_with_its_field(
    entry: dict[str, object], sentence: str
) -> None:
    tree = {"lifeline": {"name": "gas"}, "asset": [{"name": "a", "zone": "z", **entry}]}

    with pytest.raises(CatalogError) as caught:
        parse_source("gas.toml", tree)

    assert sentence in caught.value.problems[0]
