from dataclasses import replace

import made_world
import numpy as np
import pytest
from conftest import Made

from recsys.columns import Ints
from recsys.features.features import attributes_of
from recsys.features.history import empty_view
from recsys.features.state import empty_state
from recsys.pipeline import filters, sources
from recsys.pipeline.content import Content
from recsys.pipeline.model import views_of
from recsys.pipeline.situation import Request, World
from recsys.pipeline.sources import NAMES, SHARE, SOURCES, Query, gather

NO_KEYS: Ints = np.zeros(0, np.int64)
BY_HISTORY = ("personal", "content", "similar")
print(sources)
