"""Targets are checked where they are read: what a kind needs and where it goes."""

import pytest

from lifeline.config import ConfigError, Router, Settings, load
from lifeline.targets import Target

WECOM = Target("group", kind="wecom", token_file="key")


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("", "kind webhook needs url, secret_file"),
        ("url='http://a/'", "kind webhook needs secret_file"),
        ("url='ftp://a/'\nsecret_file='s'", "'ftp://a/' is none of http://host, https://host"),
        ("url='http:///x'\nsecret_file='s'", "is none of"),
        ("url='http://a:99999/'\nsecret_file='s'", "is no URL: Port"),
        ("url='http://u:p@a/'\nsecret_file='s'", "holds no user or password"),
        ("url='http://a/'\nsecret_file='s'\ntopic='t'", "kind webhook has no use for topic"),
        ("kind='wecom'", "kind wecom needs token_file"),
        ("kind='wecom'\ntoken_file='k'\nsecret_file='s'", "has no use for secret_file"),
        ("kind='wecom'\ntoken_file='k'\nformat='cap'", "format cap goes by webhook alone"),
        ("kind='dingtalk'\ntoken_file='k'", "kind dingtalk needs secret_file"),
        ("kind='email'\nurl='smtp://m'", "kind email needs sender"),
        ("kind='email'\nurl='smtp://m'\nsender='a@b'\nusername='u'", "go together"),
        ("kind='syslog'\nurl='http://a/'", "none of tcp://host, tls://host, udp://host"),
        ("kind='mqtt'\nurl='mqtt://a'", "kind mqtt needs topic"),
        ("kind='apprise'\nsecret_file='s'", "set private_allowed = true"),
        ("kind='pigeon'", "Invalid enum value 'pigeon'"),
    ],
)
def test_a_target_that_cannot_be_used_is_refused_with_a_sentence(table: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load(f"[[router.targets]]\nname='t'\n{table}\n", "lifeline.toml", {})


def test_a_robot_has_its_vendors_address_unless_it_names_one() -> None:
    own = Target("group", "http://127.0.0.1:1/send", kind="wecom", token_file="key")

    assert WECOM.host == "qyapi.weixin.qq.com"
    assert own.host == "127.0.0.1"
    assert Target("x", secret_file="s", kind="apprise", private_allowed=True).host == ""


def test_targets_keep_to_the_list_of_hosts_when_there_is_one() -> None:
    Router(targets=(WECOM,), hosts_allowed=("qyapi.weixin.qq.com",))

    with pytest.raises(ValueError, match="which hosts_allowed does not name"):
        Router(targets=(WECOM,), hosts_allowed=("oapi.dingtalk.com",))
    apprise = Target("x", secret_file="s", kind="apprise", private_allowed=True)
    with pytest.raises(ValueError, match="goes to where its secret URL says"):
        Router(targets=(apprise,), hosts_allowed=("oapi.dingtalk.com",))


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("kind='wecom'\ntoken_file='k'", ""),
        ("kind='sms'\nurl='https://x/'\nsecret_file='k'\nrecipients=['1']", ""),
        ("kind='sms'\nurl='https://x/'\nsecret_file='k'", "kind sms needs recipients here"),
        ("url='https://x/'\nsecret_file='k'\nformat='cap'", "silence is no incident"),
    ],
)
def test_silence_is_announced_by_every_way_that_needs_no_roster(keys: str, why: str) -> None:
    text = f"[[watchdog.targets]]\nname='t'\n{keys}\n"

    if why:
        with pytest.raises(ConfigError, match=why):
            load(text, "lifeline.toml", {})
    else:
        settings, _ = load(text, "lifeline.toml", {})
        assert [target.name for target in settings.watchdog.targets] == ["t"]


def test_the_defaults_hold_no_target() -> None:
    assert Settings().router.targets == ()
