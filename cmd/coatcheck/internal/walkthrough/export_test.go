package walkthrough

// ReadValues is for the test with the vectors of the format.
var ReadValues = readValues
