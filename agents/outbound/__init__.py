"""Functions that an author's own server answers: who may be reached, how it is asked, what its answer becomes."""
