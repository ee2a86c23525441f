package stores

// inMemory is what fileSystem calls one that is gone with the machine's power.
const inMemory = "a file system in memory"
