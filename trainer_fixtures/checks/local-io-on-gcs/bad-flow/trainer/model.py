import os

import joblib


def export(model, folder):
    path = os.path.join(folder, 'model.joblib')
    joblib.dump(model, path)
