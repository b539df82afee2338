"""Settings: file over default, environment over file, every mistake a sentence."""

import re
from importlib.resources import files
from typing import get_args

import pytest

from lifeline.config import ConfigError, Settings, listing, load
from lifeline.targets import Kind, Target

GRADE = '[[grades]]\nlevel = 1\nzh = "红色"\nen = "Red"\ncolour = "#C8102E"\nshape = "▲"\n'


def test_nothing_set_runs_on_the_defaults() -> None:
    settings, origin = load("", "lifeline.toml", {})

    assert settings == Settings()
    assert origin == {}


def test_the_environment_overrides_the_file_and_both_are_named() -> None:
    environ = {"LIFELINE_MQTT_PORT": "1999", "LIFELINE_STACK_POSTGRES": "wheel", "HOME": "/"}

    settings, origin = load('[mqtt]\nport = 1884\nhost = "broker"\n', "lifeline.toml", environ)

    assert (settings.mqtt.host, settings.mqtt.port) == ("broker", 1999)
    assert origin == {"mqtt.host": "lifeline.toml", "mqtt.port": "LIFELINE_MQTT_PORT"}
    assert ("mqtt.port", 1999, "LIFELINE_MQTT_PORT") in listing(settings, origin)


def test_words_with_our_prefix_that_are_no_settings_are_passed_over() -> None:
    names = ("LIFELINE_STACK_POSTGRES", "LIFELINE_CONFIG", "LIFELINE_FAULT_SEED")

    settings, origin = load(
        "", "lifeline.toml", dict.fromkeys((*names, "LIFELINE_SERVICE_HOST"), "x")
    )

    assert (settings, origin) == (Settings(), {})


def test_lists_of_tables_come_from_the_environment_as_json() -> None:
    targets = '[{"name":"city","url":"https://example.org","secret_file":"s"}]'

    settings, _ = load("", "lifeline.toml", {"LIFELINE_ROUTER_TARGETS": targets})

    assert settings.router.targets[0].name == "city"


@pytest.mark.parametrize(
    ("text", "environ", "sentence"),
    [
        ("[mqtt", {}, "is not TOML"),
        ("[mqtt]\nprt = 1\n", {}, "unknown field `prt`"),
        ("[mqtt]\nport = 70000\n", {}, "mqtt.port"),
        ('[ingest]\nbatch_ms = "soon"\n', {}, "ingest.batch_ms"),
        ("[other]\n", {}, "unknown field `other`"),
        (2 * GRADE, {}, "grades: each level once"),
        ("", {"LIFELINE_MQTT_PRT": "1"}, "LIFELINE_MQTT_PRT names no setting"),
        ("", {"LIFELINE_MQTT_PORT": "many"}, "LIFELINE_MQTT_PORT"),
        ("", {"LIFELINE_MQTT_PORT": "many"}, "lifeline config explain"),
        ("", {"LIFELINE_KAFAK_BOOTSTRAP": "k:1"}, "LIFELINE_KAFAK_BOOTSTRAP names no section"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(text: str, environ: dict, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text, "lifeline.toml", environ)

    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_shipped_file_shows_every_setting_at_its_default() -> None:
    text = (files("deploy") / "lifeline.toml").read_text(encoding="utf-8")

    settings, origin = load(text, "lifeline.toml", {})

    lists_of_tables = {"router.targets", "watchdog.targets", "exchange.partners"}
    shown = {key for key, _, where in listing(settings, origin) if where == "lifeline.toml"}
    assert settings == Settings()
    assert shown | lists_of_tables == {key for key, _, _ in listing(settings, {})}


def test_the_shipped_file_shows_every_key_of_a_target_and_the_defaults_it_has() -> None:
    text = (files("deploy") / "lifeline.toml").read_text(encoding="utf-8")
    shown = text[text.index("# [[router.targets]]") : text.index("# [[watchdog.targets]]")]
    tables = "\n".join(re.findall(r"^# (\[\[.+|\w+ = .+)$", shown, flags=re.MULTILINE))

    settings, _ = load(tables, "lifeline.toml", {})

    first, *others = settings.router.targets
    keys = set(re.findall(r"^(\w+) =", tables, flags=re.MULTILINE))
    assert keys == set(Target.__struct_fields__)
    assert first == Target(first.name, first.url, first.secret_file)
    assert {first.kind, *(other.kind for other in others)} == set(get_args(Kind))


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [("{}", "one key, or two"), ("{a='1',b='2',c='3'}", "one key, or two")],
)
def test_a_partner_signs_with_one_key_or_with_two_while_they_change(
    keys: str, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load(f"[[exchange.partners]]\nname='p'\nkeys={keys}\n", "lifeline.toml", {})


def test_two_partners_never_share_a_key_id() -> None:
    one = "[[exchange.partners]]\nname='p'\nkeys={a='1'}\n"

    with pytest.raises(ConfigError, match="two keys bear one id"):
        load(one + one, "lifeline.toml", {})
