-- A judge's own desk asks for his cases.
CREATE INDEX case_judge_ref ON case_judge (ref);
