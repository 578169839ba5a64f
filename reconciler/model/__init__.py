"""The nouns: what flows from a Git tree to a plan and its events. Values only, no behaviour by kind."""

from reconciler.model.declared import NOTHING as NOTHING
from reconciler.model.declared import Address as Address
from reconciler.model.declared import Asset as Asset
from reconciler.model.declared import Entry as Entry
from reconciler.model.declared import Json as Json
from reconciler.model.declared import LocalPath as LocalPath
from reconciler.model.declared import Node as Node
from reconciler.model.declared import Reference as Reference
from reconciler.model.declared import Resolved as Resolved
from reconciler.model.declared import Spec as Spec
from reconciler.model.declared import Tree as Tree
from reconciler.model.live import Live as Live
from reconciler.model.live import Observation as Observation
from reconciler.model.live import Record as Record
from reconciler.model.live import Report as Report
from reconciler.model.live import Run as Run
from reconciler.model.live import Status as Status
from reconciler.model.plan import Action as Action
from reconciler.model.plan import Event as Event
from reconciler.model.plan import Op as Op
from reconciler.model.plan import Pending as Pending
from reconciler.model.plan import Plan as Plan
from reconciler.model.plan import Progress as Progress
from reconciler.model.plan import Source as Source
