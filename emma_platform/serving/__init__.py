"""The read side: publications, the only queries readers see, exports."""
