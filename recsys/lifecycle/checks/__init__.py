"""What the doctor looks at: small functions of a visit, each of which finds one kind of trouble or none."""
