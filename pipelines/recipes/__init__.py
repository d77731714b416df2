"""Training and inference recipes. Each is a plain script that runs as a child process: no Django, no pyarrow, nothing of
the Studio but ``studio.lib``.

They may import torch, transformers, peft and bitsandbytes; nothing else in the Studio imports them.
"""
