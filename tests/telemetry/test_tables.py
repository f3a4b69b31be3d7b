import numpy as np
import pytest

from deepgyro.telemetry.columns import parse_columns_option
from deepgyro.telemetry.tables import read_table, split_table, ticks_to_seconds

OPTION = parse_columns_option("t[ns],wx[rad/s],wy[rad/s],wz[rad/s]")


def test_nanoseconds_since_1970_are_rounded_once_to_the_nearest_float():
    ticks = np.array([1520530308181901469, 1520530308186917469])

    t = ticks_to_seconds(ticks, 1e-9)

    np.testing.assert_array_equal(t, [1520530308.181901469, 1520530308.186917469])
    assert np.diff(t)[0] == pytest.approx(0.005016, abs=3e-7)  # s


@pytest.mark.parametrize("unit", [1.0, 1e-3, 1e-6, 1e-9, 1 / 48000])
def test_whole_and_broken_ticks_agree(unit):
    ticks = np.array([0, 1, 48001, 10**9 + 1])

    np.testing.assert_allclose(
        ticks_to_seconds(ticks, unit), ticks_to_seconds(ticks.astype(np.float64), unit), rtol=1e-15
    )


@pytest.mark.parametrize(
    "text",
    [
        "0 1 2 3\n10 4 5 6\n",
        "0\t1\t2\t3\r\n10\t4\t5\t6\r\n",
        "# phone\n0,1,2,3\n\n10, 4, 5, 6",
        "0;1;2;3\n# pause\n10;4;5;6\n",
        'time,a,b,c\n"0","1","2","3"\n"10","4","5","6"\n',
        "0.0 1e0 2 3\n10.0 4 5 6\n",
    ],
)
def test_the_delimiter_is_found(text):
    log = read_table(split_table(text, "log"), OPTION)

    np.testing.assert_allclose(log.t, [0, 1e-8], atol=1e-20)  # s
    np.testing.assert_array_equal(log.omega, [[1, 2, 3], [4, 5, 6]])


def test_columns_that_are_not_used_may_hold_words():
    option = parse_columns_option("-,t[s],wx[rad/s],wy[rad/s],wz[rad/s]")

    log = read_table(split_table("gyro 0 1 2 3\ngyro 1 4 5 6\n", "log"), option)

    np.testing.assert_array_equal(log.t, [0, 1])
