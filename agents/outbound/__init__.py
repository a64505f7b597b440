"""Other people's servers: who may be reached, how they are asked, what their answers become."""
