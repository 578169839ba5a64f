"""Values to strings: what people and programs read. Pure; whoever calls decides where it goes."""
