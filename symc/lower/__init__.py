"""From the graph to a loop program: fusion, views, buffers, the order of steps and their memory."""
