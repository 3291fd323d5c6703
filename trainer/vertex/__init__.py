"""Vertex AI: its jobs read and sent, and its trial protocol spoken on this machine.

messages        strict reading of the API's JSON
job_spec        NasJobSpec: what an architecture search job is to do
search_space    encode_search_space, decode_search_space: spaces as Vertex AI takes them
spend           Budget: trials, machine hours and money

engine          NasEngine: a NAS job run here as processes, resumable
  layout        directories, flags and command of a trial
  job_ledger    NasTrial, and a job's record on disk
  progress      how far a job is, stage 2 included
  proposer      Proposer: who proposes, and any controller as one
  replay        going on after whatever ended an engine
  measured      what trials report beside their metric
  details       trials as Vertex AI lists them

cloud           Vertex: jobs created, listed, cancelled through Google's client
  place         project, region, endpoint
  kinds         the kinds of jobs there are
  requests      the jobs that are sent
  folder        what was sent from a directory, and what is known of it
  watch         a job followed to its end, within a budget
  trials        its trials as rows and tables
"""
