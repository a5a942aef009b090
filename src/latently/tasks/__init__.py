"""Jobs: scikit-learn estimators over one fitted composition. This folder is the registry: a file a job."""
