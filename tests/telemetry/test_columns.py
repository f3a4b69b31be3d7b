import numpy as np
import pytest

from deepgyro.telemetry.columns import Columns, ColumnsError, parse_columns, parse_columns_option

DEGREE = np.pi / 180


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            "#timestamp [ns],w_RS_S_x [rad s^-1],w_RS_S_y [rad s^-1],w_RS_S_z [rad s^-1],a_x",
            (0, 1, 2, 3, 1e-9, 1.0),
        ),
        ("Timestamp[nanosec], gx[rad/s], gy[rad/s], gz[rad/s], ax[m/s^2]", (0, 1, 2, 3, 1e-9, 1.0)),
        ("ax (m/s^2),gyro x (deg/s),gyro y (deg/s),gyro z (deg/s),time (ms)", (4, 1, 2, 3, 1e-3, DEGREE)),
        ("t_s,gx_rad_s,gy_rad_s,gz_rad_s", (0, 1, 2, 3, 1.0, 1.0)),
        ("time_ns,wz_deg_s,wy_deg_s,wx_deg_s", (0, 3, 2, 1, 1e-9, DEGREE)),
        ("timestamp_us,gyro_x_dps,gyro_y_dps,gyro_z_dps,gyro_x_raw", (0, 1, 2, 3, 1e-6, DEGREE)),
        ("Time (s),Gyroscope X (°/s),Gyroscope Y (°/s),Gyroscope Z (°/s)", (0, 1, 2, 3, 1.0, DEGREE)),
    ],
)
def test_a_header_names_columns_and_units(header, expected):
    names = header.lstrip("#").split(",")

    columns = parse_columns(names)

    t, x, y, z, t_unit, omega_unit = expected
    assert columns == Columns(len(names), t, (x, y, z), t_unit=t_unit, omega_unit=omega_unit)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("t,gx[rad/s],gy[rad/s],gz[rad/s]", "'t' has no unit"),
        ("t[s],gx,gy,gz", "'gx' has no unit"),
        ("t[fortnight],gx[rad/s],gy[rad/s],gz[rad/s]", "unknown"),
        ("t[s],gx[m/s^2],gy[rad/s],gz[rad/s]", "unknown"),
        ("t[s],gx[rad/s],gy[deg/s],gz[rad/s]", "different units"),
        ("t[s],time[ms],gx[rad/s],gy[rad/s],gz[rad/s]", "both look like t"),
        ("t[s],gx[rad/s],gy[rad/s]", "no column for wz"),
    ],
)
def test_a_header_that_leaves_a_question_is_refused(header, words):
    with pytest.raises(ColumnsError, match=words):
        parse_columns(header.split(","))


def test_the_option_skips_columns():
    columns = parse_columns_option("-, t[ms], _, wx[deg/s], wy[deg/s], wz[deg/s]")

    assert columns == Columns(6, 1, (3, 4, 5), t_unit=1e-3, omega_unit=DEGREE)


@pytest.mark.parametrize(
    "option", ["", "t,wx,wy,wz", "t[s],wx[rad/s],wy[rad/s]", "t[s],a,wx[rad/s],wy[rad/s]"]
)
def test_an_option_that_says_too_little_raises_with_an_example(option):
    with pytest.raises(ValueError, match=r"write for instance columns="):
        parse_columns_option(option)
