"""Which channel a target is written to by.  A shell."""

import ssl
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

from lifeline.channels.apprise import AppriseService
from lifeline.channels.dingtalk import DingTalk
from lifeline.channels.email import Email
from lifeline.channels.feishu import Feishu
from lifeline.channels.gateway import Gateway
from lifeline.channels.mqtt import Mqtt
from lifeline.channels.ntfy import Ntfy
from lifeline.channels.syslog import Syslog
from lifeline.channels.webhook import Webhook
from lifeline.channels.wecom import WeCom
from lifeline.targets import Kind, Target


class Channel(Protocol):
    """A way out."""

    async def send(self, key: str, body: bytes) -> str:
        """Delivers and returns the vendor's code; raises Unavailable or Refused."""

    async def close(self) -> None:
        """Ends the connections."""


CHANNELS: Mapping[Kind, Callable[[Target, ssl.SSLContext], Channel]] = MappingProxyType(
    {
        "webhook": Webhook,
        "wecom": WeCom,
        "dingtalk": DingTalk,
        "feishu": Feishu,
        "email": Email,
        "ntfy": Ntfy,
        "sms": Gateway,
        "voice": Gateway,
        "mqtt": Mqtt,
        "syslog": Syslog,
        "apprise": AppriseService,
    }
)


def channel_for(target: Target, tls: ssl.SSLContext) -> Channel:
    """The channel of a target."""
    return CHANNELS[target.kind](target, tls)
