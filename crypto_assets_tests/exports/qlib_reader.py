"""Run by an interpreter that has pyqlib, and by that alone: reads a folder with Qlib's reader, writes another with its writer.

What belongs here: Qlib's own code, called as its users call it. What does not: assertions (test_qlib_own.py), and anything of
crypto_assets, which that interpreter does not have.

Called with a request in JSON: folder, copy (a folder to write to), fields, series {frequency: {instrument: {field: values}}},
calendars {frequency: moments}, first {frequency: {instrument: place}}, instruments {name: periods}. Answers in JSON on standard
output; values are the bits of float32.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import qlib
from qlib.data import D
from qlib.data.storage.file_storage import FileCalendarStorage, FileFeatureStorage, FileInstrumentStorage


def bits(values):
    return np.asarray(values, dtype="<f4").view("<u4").tolist()


def read(folder, fields, frequencies):
    qlib.init(provider_uri=folder, kernels=1, joblib_backend="threading", logging_level=40, expression_cache=None)
    answer = {}
    for frequency in frequencies:
        config = D.instruments("all")
        names = D.list_instruments(config, freq=frequency)
        frame = D.features(config, [f"${name}" for name in fields], freq=frequency)
        change = D.features(config, ["$close / Ref($close, 1) - 1"], freq=frequency).iloc[:, 0]
        answer[frequency] = {
            "calendar": [str(moment) for moment in D.calendar(freq=frequency)],
            "instruments": {name: [[str(one) for one in span] for span in spans] for name, spans in names.items()},
            "rows": [[name, str(moment)] for name, moment in frame.index],
            "values": {name: bits(frame[f"${name}"]) for name in fields},
            "changes": int(change.notna().sum()),
        }
    return answer


def write(request):
    copy = Path(request["copy"])
    for frequency, moments in request["calendars"].items():
        uri = {frequency: str(copy)}
        (copy / "calendars").mkdir(parents=True, exist_ok=True)
        (copy / "instruments").mkdir(exist_ok=True)
        (copy / "calendars" / f"{frequency}.txt").touch()
        FileCalendarStorage(freq=frequency, future=False, provider_uri=uri).extend(moments)
        listed = {name: [tuple(span) for span in spans] for name, spans in request["instruments"].items()}
        FileInstrumentStorage(market="all", freq=frequency, provider_uri=uri).update(listed)
        for instrument, series in request["series"][frequency].items():
            (copy / "features" / instrument.lower()).mkdir(parents=True, exist_ok=True)
            for field, values in series.items():
                numbers = pd.Series(values, dtype="float64").to_numpy()
                storage = FileFeatureStorage(instrument=instrument, field=field, freq=frequency, provider_uri=uri)
                storage.write(numbers, request["first"][frequency][instrument])


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    told = read(asked["folder"], asked["fields"], asked["calendars"])
    write(asked)
    json.dump(told, sys.stdout)
