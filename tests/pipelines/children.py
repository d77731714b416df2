"""Child programs for the tests of ``pipelines.running.child``: ``python -m tests.pipelines.children CONFIG`` does as told."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    """Write events and lines, then end in the way the configuration says."""
    config = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(json.dumps({"event": "progress", "done": 1, "total": 2}), flush=True)
    print("a line for people", file=sys.stderr, flush=True)
    match config["do"]:
        case "result":
            print(json.dumps({"event": "result", "answer": config["answer"]}), flush=True)
        case "error":
            print(json.dumps({"event": "error", "message": "No tokenizer.", "action": "Add one."}), flush=True)
            sys.exit(1)
        case "die":
            sys.exit(3)
        case "out_of_memory":
            os.kill(os.getpid(), signal.SIGKILL)
        case "burn":
            held = bytearray(config["megabytes"] << 20)
            held[::4096] = b"x" * len(held[::4096])
            print(json.dumps({"event": "usage", "gpu_memory_bytes": 5 << 30}), flush=True)
            end = time.process_time() + config["seconds"]
            while time.process_time() < end:
                pass
            # Long enough for the parent to look once more while this is at its largest.
            time.sleep(2.5)
            print(json.dumps({"event": "result"}), flush=True)
        case "hang":
            grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            print(json.dumps({"event": "pids", "pids": [os.getpid(), grandchild.pid]}), flush=True)
            time.sleep(600)
        case "ignore_term":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print(json.dumps({"event": "pids", "pids": [os.getpid()]}), flush=True)
            time.sleep(600)
        case "leave_a_grandchild":
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            print(json.dumps({"event": "result", "answer": "x" * (3 << 20)}), flush=True)
        case "flood":
            sys.stdout.write("not json\n" * 5000 + json.dumps({"event": "result"}) + "\n")


main()
