"""What runsd costs and gains beside what people use instead, measured in one run on one machine."""
