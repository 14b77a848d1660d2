from ct_mao_sync.engine.rows import *  # noqa: F403
from ct_mao_sync.engine.rows import from_text, from_text_or_none, to_text, to_text_or_none  # noqa: F401
