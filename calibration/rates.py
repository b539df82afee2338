"""False alarms as a rate with its interval: what is stated, what history shows.  Pure."""

from dataclasses import dataclass

from scipy.stats import chi2

YEAR_S = 365.25 * 86_400.0
LEVEL = 0.90


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so many sensor-years, with the interval that holds the true rate in 90 %."""

    count: int
    sensor_years: float
    low: float
    high: float

    @property
    def per_year(self) -> float:
        """What was seen, in one sensor-year."""
        return self.count / self.sensor_years


def rate(count: int, sensor_years: float) -> Rate:
    """The rate behind a count, with Garwood's exact interval of a Poisson mean (Biometrika 1936).

    >>> one = rate(0, 10.0)
    >>> one.per_year, one.low, round(one.high, 3)
    (0.0, 0.0, 0.3)
    """
    assert sensor_years > 0.0, sensor_years
    tail = (1.0 - LEVEL) / 2.0
    low = float(chi2.ppf(tail, 2 * count)) / 2.0 if count else 0.0
    high = float(chi2.ppf(1.0 - tail, 2 * count + 2)) / 2.0
    return Rate(count, sensor_years, low / sensor_years, high / sensor_years)
