"""What a demonstration is made of besides a city: its sentences in both languages, its settings."""

from collections.abc import Callable

from lifeline import words

SETTINGS = """# Made by `lifeline demo`: its addresses, for any `lifeline` command with --config.
[mqtt]
host = "{mqtt_host}"
port = {mqtt_port}
[kafka]
bootstrap = "{kafka}"
[postgres]
dsn = "{dsn}"
[catalog]
compiled = "{folder}/catalog.bin"
# For a story of minutes: a city writes a seal down once a minute.
[audit]
anchor_s = 5.0
anchor_file = "{folder}/anchors/audit.log"
[console]
port = {console}
secure_cookie = false
# For a story of minutes: a city leaves it at ten minutes.
[life]
quiet_s = 8.0
[people]
roster = "deploy/roster.toml"
[[exchange.partners]]
name = "platform"
keys = {{ platform = "{folder}/secrets/platform" }}
may = ["receipts"]
[router]
past_folder = "{folder}/past"
public_url = "http://127.0.0.1:{console}"
[[router.targets]]
name = "platform"
url = "http://127.0.0.1:{platform}/incidents"
secret_file = "{folder}/secrets/platform"
private_allowed = true
[[router.targets]]
name = "watchdog"
url = "http://127.0.0.1:{watchdog}/canary"
secret_file = "{folder}/secrets/watchdog"
private_allowed = true
# Who is on duty is called by these: the stand-in's gateway, no telephone.
[[router.targets]]
name = "sms"
kind = "sms"
url = "http://127.0.0.1:{platform}/messages"
secret_file = "{folder}/secrets/platform"
private_allowed = true
[[router.targets]]
name = "voice"
kind = "voice"
url = "http://127.0.0.1:{platform}/messages"
secret_file = "{folder}/secrets/platform"
private_allowed = true
[watchdog]
port = {watchdog}
told_file = "{folder}/watchdog.json"
secret_file = "{folder}/secrets/watchdog"
[[watchdog.targets]]
name = "duty-desk"
url = "http://127.0.0.1:{platform}/silence"
secret_file = "{folder}/secrets/platform"
private_allowed = true
"""
"""Its ``lifeline.toml``, before ports and folders are filled in."""

WORDS: dict[str, tuple[str, str]] = {
    "servers": ("启动本机服务器……", "Starting this machine's own servers …"),
    "server": ("  {name:12} {seconds:>5} 秒  {text}", "  {name:12} {seconds:>5} s  {text}"),
    "servers-up": ("服务器已就绪：{seconds} 秒", "Servers are up after {seconds} s"),
    "migration": ("  数据库：{name}", "  database: {name}"),
    "leftovers": (
        "已关闭上次演示遗留的事件：{number} 个",
        "Closed {number} incidents that an earlier demo left open",
    ),
    "city": (
        "示范城市：{channels} 个测点，四条生命线",
        "Demo city: {channels} channels in four lifelines",
    ),
    "console": (
        "值守台：{url}  用户 {user}  密码 {password}",
        "Console: {url}  user {user}  password {password}",
    ),
    "service": ("  {name}：{text}", "  {name}: {text}"),
    "sensors": ("{at} s  传感器开始上报", "{at} s  sensors are publishing"),
    "truth": (
        "{at} s  【事实】{asset} 发生{hazard}",
        "{at} s  TRUTH    {hazard} begins at {asset}",
    ),
    "finding": ("{at} s  【发现】{text}", "{at} s  FINDING  {text}"),
    "push": (
        "{at} s  【推送】应急平台已接收：{headline}\n          确认页面：{link}",
        "{at} s  PUSH     accepted by the platform: {headline}\n          acknowledge it on {link}",
    ),
    "located": ("{at} s  【推送】位置已推定：{text}", "{at} s  PUSH     located: {text}"),
    "silence": ("{at} s  【看门狗】{text}", "{at} s  WATCHDOG {text}"),
    "taken": (
        "{folder} 中已有一个演示在运行：请先停止它，或用 --folder 另选文件夹",
        "A demo runs in {folder} already: stop it, or give another --folder",
    ),
    "still-there": (
        "有些服务器此前已在运行，现仍在运行。停止命令：lifeline stack down --folder {folder}",
        "Some servers ran before and still run: lifeline stack down --folder {folder}",
    ),
    "late": (
        "{limit_s} 秒内没有等到要求的结果，日志在数据文件夹的 log 中",
        "What was asked for did not come within {limit_s} s: see `log` in the demo's folder",
    ),
    "page": (
        "{at} s  【呼叫】{way}已送达{who}：{text}",
        "{at} s  PAGE     {way} to {who}: {text}",
    ),
    "way-sms": ("短信", "text message"),
    "way-voice": ("语音电话", "call"),
    "officer": (
        "值班员由演示扮演：用户 {user}，所做的一切均经 HTTP 接口，并记入操作记录",
        ("The duty officer is played by the demo: user {user}, through the HTTP API,"
        " all of it in the audit"),
    ),
    "signed-in": ("{at} s  【值班员】已登录", "{at} s  OFFICER  has signed in"),
    "acknowledge": (
        "{at} s  【值班员】确认：{headline}",
        "{at} s  OFFICER  takes in hand: {headline}",
    ),
    "plan": (
        "          预案：{title}，共 {steps} 步{radius}{valves}",
        "          plan: {title}, {steps} steps{radius}{valves}",
    ),
    "radius": ("，警戒半径 {metres} 米", ", {metres} m kept clear"),
    "valves": ("，建议关闭 {names}", ", close {names}"),
    "verify": (
        "{at} s  【值班员】核实为真，原因：{code}（{headline}）",
        "{at} s  OFFICER  judges it true, {code}: {headline}",
    ),
    "dispatch": (
        "{at} s  【值班员】派{person}：{task}",
        "{at} s  OFFICER  sends {person}: {task}",
    ),
    "arrive": ("{at} s  【值班员】{person}已到场", "{at} s  OFFICER  {person} on site"),
    "steps": (
        "{at} s  【值班员】勾选预案第 {which} 步（共 {steps} 步）：{asset}",
        "{at} s  OFFICER  ticks step {which} of {steps} of the plan: {asset}",
    ),
    "early": (
        "{at} s  【值班员】试图过早关闭，被拒绝：{why}",
        "{at} s  OFFICER  tries to close it too early and is refused: {why}",
    ),
    "mended": (
        "{at} s  【事实】{asset} 已修复（模拟器）",
        "{at} s  TRUTH    {asset} is mended (by the simulator)",
    ),
    "gone": (
        "{at} s  【值班员】现场报告：超载车辆已驶离 {asset}",
        "{at} s  OFFICER  hears from the patrol: the lorry has left {asset}",
    ),
    "normal": (
        "{at} s  【证据】{asset} 全部相关测点已恢复正常，再观察 {quiet_s} 秒",
        "{at} s  EVIDENCE every sensor of {asset} is back in its limits; watched {quiet_s} s more",
    ),
    "close": ("{at} s  【值班员】关闭：{headline}", "{at} s  OFFICER  closes: {headline}"),
    "archive": ("{at} s  【值班员】归档：{headline}", "{at} s  OFFICER  archives: {headline}"),
    "paged": (
        "          呼叫送达 {delivered} 次（{who}），其中确认之后 {after} 次",
        "          pages: {delivered} delivered ({who}), {after} of them after he took it",
    ),
    "receipts": (
        "{at} s  【回执】应急平台已签收 {signed}/{notices} 份通知",
        "{at} s  RECEIPT  the platform has signed for {signed} of {notices} notices",
    ),
    "evidence": (
        "{at} s  【证据包】{where}\n          SHA-256 {sha256}，{files} 个文件，已核验无误",
        "{at} s  PACKAGE  {where}\n          SHA-256 {sha256}, {files} files, verified",
    ),
    "left-open": (
        "{at} s  【值班员】保持未关闭：{headline}：{why}",
        "{at} s  OFFICER  leaves it open: {headline}: {why}",
    ),
    "girder": (
        "主梁损伤几分钟内修不好，测值未恢复，系统也不许关闭；桥面限行，待检测加固",
        ("a girder is not mended in minutes, its frequency has not come back, and nothing closes"
        " before; lorries are kept off until it is inspected and strengthened"),
    ),
    "travelled": (
        "{at} s  {closed} 个事件已按预案关闭并归档，{open} 个如实保持未关闭",
        ("{at} s  {closed} incidents were closed by the plan and archived,"
        " {open} stays open, as is right"),
    ),
    "stuck": (
        ("{at} s  【值班员】{headline}：停在“{step}”：{why}\n          查看：tail"
        " {logs}/console.log {logs}/router.log"),
        ("{at} s  OFFICER  {headline}: stopped at `{step}`: {why}\n          look at:"
        " tail {logs}/console.log {logs}/router.log"),
    ),
    "failed": (
        "演示未能走到关闭：见上文“停在”一行；重试：lifeline demo --until closed --folder {folder}",
        ("The demo did not come to its end, see the line `stopped at` above; to try again:"
        " lifeline demo --until closed --folder {folder}"),
    ),
    "note-taken": ("演示：已看到，接手处理", "demonstration: seen, taken in hand"),
    "note-judged": ("演示：电话复核，现场确认", "demonstration: confirmed by telephone on site"),
    "note-sent": ("演示：按预案派单", "demonstration: sent as the plan says"),
    "note-there": ("演示：人员到场", "demonstration: the crew is there"),
    "note-early": ("演示：口头报告已处理", "demonstration: somebody says that it is done"),
    "note-open": ("演示：", "demonstration: "),
    "note-closed": (
        "演示：已处置，全部相关测点恢复正常",
        "demonstration: dealt with, every connected sensor is back in its limits",
    ),
    "note-archived": ("演示：归档", "demonstration: put away"),
    "report": ("数据已写入 {where}", "Figures written to {where}"),
    "stopping": ("正在停止……", "Stopping …"),
    "stopped": ("本次启动的一切均已停止。", "Everything that was started here has stopped."),
}  # fmt: skip


class Teller:
    """Says the story's lines in one language."""

    def __init__(self, language: str, out: Callable[[str], None]) -> None:
        self.language: words.Language = "zh" if language == "zh" else "en"
        self._out = out

    def said(self, what: str, **values: str) -> str:
        """The line, not yet said."""
        return words.said(WORDS[what], self.language).format(**values)

    def tell(self, what: str, **values: str) -> None:
        """Says the line."""
        self._out(self.said(what, **values))
