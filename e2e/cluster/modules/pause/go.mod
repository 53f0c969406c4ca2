module inferfleet.io/e2e/pause

go 1.26
