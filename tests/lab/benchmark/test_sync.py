import json

from deepgyro.cli import main
from deepgyro.lab.benchmark import sync_display_rows


def test_clips_of_photos_and_logs_are_synchronised_and_other_gyros_are_not(held, capsys):
    code = main(["bench", "sync", "--data", str(held), "--count", "2", "--json"])

    rows = json.loads(capsys.readouterr().out)["rows"]
    own, other = sync_display_rows(rows)
    assert code == 0
    assert [(row["clip"], row["case"]) for row in rows] == [
        (0, "own"),
        (0, "other"),
        (1, "own"),
        (1, "other"),
    ]
    assert (own["clips"], own["confidently_wrong"], other["confidently_wrong"]) == (2, 0, 0)
