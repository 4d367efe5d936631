"""How good the words are: sets of recordings with references, scores, intervals, comparisons, and the page of a run."""
