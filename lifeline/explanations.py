"""Words of detectors: what each is called, what it tells, why it fired; Chinese and English.  Pure.

``lifeline.words`` makes sentences of them.
"""

from lifeline.terms import Table

DETECTORS: Table = {
    "threshold": ("限值", "Limit"),
    "rate": ("变化速率", "Rate of change"),
    "flatline": ("死值", "Flatline"),
    "cusum": ("累积偏移", "Cumulative drift"),
    "robust": ("稳健离群", "Robust outlier"),
    "silence": ("失联", "Silence"),
    "bad_value": ("坏值", "Bad value"),
    "half_space": ("多测点异常", "Group anomaly"),
    "burst": ("压力波定位", "Pressure wave"),
    "mains_burst": ("流量压力定位", "Flow and pressures"),
    "noise": ("噪声听漏", "Leak noise"),
    "water_leaks": ("漏损定位", "Leak location"),
    "head_shift": ("压力偏移", "Pressure shift"),
    "share_shift": ("入流分配变化", "Shift between inlets"),
    "sensor_fault": ("仪表互校", "Sensors against each other"),
    "seasonal": ("季节基线", "Seasonal baseline"),
    "mewma": ("工况偏移", "Group shift"),
    "learned_residual": ("违背历史规律", "Against history"),
    "median_jump": ("水平突跳", "Jump of level"),
    "novel_shape": ("新形态", "Unseen shape"),
    "hotline": ("热线来电", "Hotline call"),
}
FACTS: dict[str, tuple[str, str, str]] = {
    "expected": ("应有值", "Expected", ""),
    "size_m3_h": ("漏量", "Size", "m³/h"),
    "size_low_m3_h": ("漏量下限", "Size at least", "m³/h"),
    "size_high_m3_h": ("漏量上限", "Size at most", "m³/h"),
    "lost_m3": ("累计漏失", "Lost so far", "m³"),
    "cost_cny": ("漏失水费", "Worth", "CNY"),
    "mass_300m": ("300 m内的概率", "Probability within 300 m", ""),
    "nights": ("连续夜数", "Nights running", ""),
    "drop_m": ("水头降幅", "Drop of head", "m"),
    "wave_speed_m_s": ("波速", "Wave speed", "m/s"),
    "chainage_m": ("距起点", "Along the main", "m"),
    "chainage_low_m": ("距起点不小于", "Along the main at least", "m"),
    "chainage_high_m": ("距起点不大于", "Along the main at most", "m"),
}
"""What detectors of groups tell beside their score: Chinese, English, unit."""
EXPLANATIONS: Table = {
    "above-limit": ("测值 {value} 高于限值 {limit}", "{value} is above the limit of {limit}"),
    "below-limit": ("测值 {value} 低于限值 {limit}", "{value} is below the limit of {limit}"),
    "fast-change": (
        "变化快于每秒 {limit}，现为 {value}",
        "changing faster than {limit} per second, now {value}",
    ),
    "fast-rise": (
        "上升快于每秒 {limit}，现为 {value}",
        "rising faster than {limit} per second, now {value}",
    ),
    "fast-fall": (
        "下降快于每秒 {limit}，现为 {value}",
        "falling faster than {limit} per second, now {value}",
    ),
    "stuck": ("测值长时间不变，停在 {value}", "has not moved from {value} for too long"),
    "drift": ("均值持续偏移，现为 {value}", "its mean has shifted, now {value}"),
    "outlier": ("偏离近期水平，现为 {value}", "far from its recent level, now {value}"),
    "offline": (
        "已离线：与消息服务器的连接已断开",
        "offline: its connection to the broker has ended",
    ),
    "silent": ("已 {value} 没有数据", "nothing heard for {value}"),
    "bad-value": ("测值不可用", "its values cannot be used"),
    "reported": ("市民来电反映：“{said}”", "a caller says: “{said}”"),
    "burst-shown": (
        "流量与各点压力同时突变，与 {value} 的爆管相符",
        "flow and pressures changed at once, as a burst of {value} changes them",
    ),
    "leak-noise": (
        "夜间最低噪声连续升高{value}且频率稳定",
        "its nightly minimum is louder by {value}, night after night, at a steady tone",
    ),
    "pressure-wave": (
        "多个测点先后收到压力波，水头变化 {value}",
        "a pressure wave has run past several loggers, head changed by {value}",
    ),
    "bad-sensor": ("测值与相邻测点不符", "contradicts its neighbours"),
    "loss": ("没有数据", "no data come"),
    "bias": ("读数整体偏移，现为 {value}", "off by a constant, now {value}"),
    "scale": ("读数比例不对，现为 {value}", "off by a factor, now {value}"),
    "noise": ("噪声过大，现为 {value}", "too noisy, now {value}"),
    "spikes": ("反复出现尖峰，现为 {value}", "spikes again and again, now {value}"),
    "clipped": ("停在量程端点 {value}", "rests at an end of its range, {value}"),
    "unseasonal": (
        "持续偏离同时段常态，现为 {value}",
        "not what season and hour explain, now {value}",
    ),
    "leak": ("管网漏水，约 {value}", "a leak of about {value}"),
    "head-shift": ("压力与入流不符，最低偏 {value}", "heads do not fit the inflow, by {value}"),
    "share-shift": ("入流分配突变 {value}", "the inlets divide the flow otherwise, by {value}"),
    "shifted": ("一组测点整体偏离", "the group has shifted"),
    "contradicted": ("信号与历史规律不符", "signals contradict what history says of them"),
    "jumped": ("短时间内明显跳变", "jumped within hours"),
    "unseen": ("曲线形态前所未见，现为 {value}", "a shape never seen before, now {value}"),
    "anomalous": ("多个测点的组合异常", "the group's readings do not fit together"),
}
