"""Where tables are kept with their versions, behind one seam."""
