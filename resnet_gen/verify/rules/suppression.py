"""The rule about comments that suppress; `language/comments.py` parses them, `verify/suppression.py` applies them."""

from __future__ import annotations

from resnet_gen.verify.rules.base import Explained


class Suppression(Explained):
    """A comment that suppresses a finding names its rule and a reason, and there is such a finding.

    `# resnet-gen: ignore[ID] reason` suppresses what that rule finds on the comment's own line or, where the comment
    stands alone, on the line below it. Several ids are separated by commas. A finding in a spec that this one
    extends is suppressed where it says `extends`. What is suppressed is not counted, and stays visible: in the last
    line of `verify`, and with its reason in JUnit and SARIF. A comment without a reason, or about a rule that there
    is not, suppresses nothing; one that has nothing to suppress would hide the next finding there. With `--set` a
    comment may have nothing to suppress, and so it may where its rule is not checked.

    Source: ours. This spec breaks it:

        name: mine
        extends: resnet50
        claims:
          - {what: layers, value: 51, source: us}  # resnet-gen: ignore[claim]

    To mend it, say why after the bracket, or delete the comment.
    """

    id = "suppression"
