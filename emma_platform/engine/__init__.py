"""What runs the relational transforms over a batch, behind one seam."""
