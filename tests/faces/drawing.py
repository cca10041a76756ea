"""A drawn face, and pictures with no face: nobody real."""

import cv2
import numpy as np


def cartoon() -> np.ndarray:
    image = np.full((600, 600, 3), 255, np.uint8)
    cv2.ellipse(image, (300, 300), (150, 200), 0, 0, 360, (200, 180, 160), -1)
    for x in (240, 360):
        cv2.ellipse(image, (x, 250), (35, 15), 0, 0, 360, (255, 255, 255), -1)
        cv2.circle(image, (x, 250), 12, (60, 40, 20), -1)
        cv2.line(image, (x - 40, 215), (x + 40, 215), (40, 30, 20), 6)
    cv2.line(image, (300, 260), (285, 330), (150, 120, 100), 4)
    cv2.line(image, (285, 330), (312, 335), (150, 120, 100), 4)
    cv2.ellipse(image, (300, 400), (55, 15), 0, 0, 360, (160, 60, 60), -1)
    return image


def smiley() -> np.ndarray:
    image = np.full((600, 600, 3), 255, np.uint8)
    cv2.circle(image, (300, 300), 200, (0, 0, 0), 3)
    for x in (230, 370):
        cv2.circle(image, (x, 240), 25, (0, 0, 0), -1)
    cv2.ellipse(image, (300, 370), (80, 50), 0, 0, 180, (0, 0, 0), 3)
    return image
