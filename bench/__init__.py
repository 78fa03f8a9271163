"""`make bench`: what hallway costs, as ratios within one run.

The machine may be shared and noisy, so nothing here is compared with yesterday: every figure is measured beside its
own baseline, in turns, and the medians are compared. Each measurement has a bar from its issue; the table says whether
it was reached. Results go to standard output and, as Markdown, into docs/performance.md.
"""
