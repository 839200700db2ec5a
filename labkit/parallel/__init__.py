"""Workers: a cluster to hold them, actors that do the work, engines that run them, dispatch that keeps them busy."""
